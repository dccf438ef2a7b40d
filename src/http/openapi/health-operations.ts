/** What the document says of the health of deployments. Not in the bundle: see schemas.ts. */
import { BODY, KEY, type Operation } from './operation.ts'

const AT = 1_795_510_800
const LOAD = {
  slots: 8,
  running: 3,
  waiting: 0,
  requests_per_second: 1.4,
  cpu: 0.61,
  memory_used_bytes: 1_210_000_000,
  memory_total_bytes: 8_000_000_000,
  gpus: [],
}
const SERVER = {
  deployment: 'llama-a',
  instance: 'b7c0d2f4e6',
  url: 'https://a.example',
  model: 'smollm2-135m-instruct',
}
const DEPLOYMENT = {
  id: 'llama-a',
  state: 'open',
  why: 'It failed (upstream_timeout), 2 times in a row.',
  code: 'upstream_timeout',
  closed_for_ms: 1_730,
  openings: 2,
  in_flight: 3,
  in_flight_max: 16,
  queue: { length: 0, max: 64 },
  latency_ms: 214,
  requests_per_second: 1.4,
  failures_per_second: 0.3,
  last_failure: { code: 'upstream_timeout', at: AT },
  last_check: { ok: true, code: 'ok', ms: 12, at: AT },
  load: LOAD,
}

export const HEALTH_OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /admin/health': {
    id: 'deploymentHealth',
    tag: 'Operation',
    summary: 'Say how each deployment does, and why',
    description:
      'As this region sees it, or another. `load` is what a server that announces itself told last, for autoscaling. The key needs the scope `metrics:read`.',
    query: { region: 'Another region than the one that answers: a continent as `EU`, or `all`.' },
    answers: {
      'application/json': {
        schema: 'RegionHealth',
        example: {
          object: 'health',
          region: 'EU',
          waiting: 0,
          deployments: [DEPLOYMENT],
          servers: [{ ...SERVER, draining: false, heard_ago_ms: 2_100, load: LOAD }],
        },
      },
    },
    errors: [...KEY, 'invalid_request'],
  },
  'POST /endpoints/heartbeat': {
    id: 'endpointHeartbeat',
    tag: 'Operation',
    summary: 'Announce an inference server',
    description:
      'Every 5 s, by the server itself; one that is not heard of for 16 s is gone, one that says `draining` gets no more calls. Signed: ' +
      '`x-perigee-time` has milliseconds since 1970, later each time, and `x-perigee-signature` has `v1=` and the HMAC-SHA256, in hexadecimal, of ' +
      '`POST /endpoints/heartbeat`, a line feed, that time, a line feed, and the body. It needs no key.',
    request: { schema: 'Heartbeat', example: { ...SERVER, draining: false, load: LOAD } },
    answers: {
      'application/json': {
        schema: 'HeartbeatAnswer',
        example: { object: 'endpoint.heartbeat', deployment: 'llama-a', next_in_ms: 5_000 },
      },
    },
    errors: [...BODY, 'invalid_signature', 'not_configured', 'store_unavailable'],
  },
}
