import { caddy } from './caddy.ts'
import type { Caller } from './caller.ts'
import { envoy } from './envoy.ts'
import { haproxy } from './haproxy.ts'
import { nginx } from './nginx.ts'
import { traefik } from './traefik.ts'

export const callers: ReadonlyMap<string, Caller> = new Map(
  [traefik, nginx, caddy, haproxy, envoy].map((caller) => [caller.name, caller]),
)
