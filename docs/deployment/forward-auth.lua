-- forward-auth.lua: an action that sends a sub-request, like Traefik's ForwardAuth and nginx's auth_request.
--
--   http-request lua.forward-auth URL HEADERS
--   http-request deny deny_status 503 unless { var(txn.forward_auth) -m str yes }
--
-- Sends GET to URL, with the client's headers and without its body. After a 2xx, the HEADERS (names, separated by
-- commas) of the response replace the client's, and the request continues. Any other response is sent to the client.
-- The second line is required: after an error in a script, HAProxy continues with the request.

local timeout_ms = 2500 -- HAProxy tries up to four times

-- These headers describe a connection or a body, so they are not passed on.
local hop_by_hop = {
  ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["keep-alive"] = true,
  ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
}

local function sub_request_headers(txn)
  local headers = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not hop_by_hop[name] and name ~= "host" then
      headers[name] = {}
      for i = 0, #values do table.insert(headers[name], values[i]) end
    end
  end
  headers["x-forwarded-method"] = { txn.sf:method() }
  headers["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
  headers["x-forwarded-host"] = { txn.sf:req_hdr("host") }
  headers["x-forwarded-uri"] = { txn.sf:url() }
  headers["x-forwarded-for"] = { txn.sf:src() }
  return headers
end

local function deny(txn, response)
  local reply = txn:reply({ status = response.status, body = response.body })
  for name, values in pairs(response.headers) do
    if not hop_by_hop[name] then
      for i = 0, #values do reply:add_header(name, values[i]) end
    end
  end
  txn:done(reply)
end

local function forward_auth(txn, url, names)
  txn:set_var("txn.forward_auth", "no")
  local response = core.httpclient():get({ url = url, headers = sub_request_headers(txn), timeout = timeout_ms })
  if response.status < 200 or response.status > 599 then
    txn:done(txn:reply({ status = 502 }))
  elseif response.status > 299 then
    deny(txn, response)
  else
    for name in names:gmatch("[^,]+") do
      local values = response.headers[name:lower()]
      txn.http:req_del_header(name)
      if values then txn.http:req_set_header(name, values[0]) end
    end
    txn:set_var("txn.forward_auth", "yes")
  end
end

core.register_action("forward-auth", { "http-req" }, forward_auth, 2)
