import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The baseline for elastauth: `node:http` that writes the same response and does nothing else. */
const body =
  '{"message":"Authentication successful","username":"testuser","groups":["admins","users"],"email":"test@example.com"}\n'

const server = createServer({ keepAliveTimeout: 125_000 }, (_request, response) => {
  response.writeHead(200, {
    Authorization: 'Basic dGVzdHVzZXI6TUtVVjFFWHE4d1VJY1F0azdMd3FlbUFnbmtmWkFVcmt4ZGtIOTdIZ2dxVQ==',
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  })
  response.end(body)
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
