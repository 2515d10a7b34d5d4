import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { alertingRules, rulesFile } from '../support/monitoring.ts'
import { runPromtool, skipWithoutPrometheus } from '../support/prometheus.ts'

/** Values of series, one a minute for 30 minutes, in promtool's notation: `0+6x30` grows by 6 a minute. */
type SeriesValues = Readonly<Record<string, string>>
type Case = Readonly<{
  /** Series that make the alert fire. */
  faulty: SeriesValues
  /** Series that resemble the fault, but do not make the alert fire. */
  harmless: readonly SeriesValues[]
  /** The labels of the alert other than `severity`; by default `job`. */
  labels?: Readonly<Record<string, string>>
  description: string
}>

const replicaA = { job: 'elastauth', instance: 'a:5000' }

const cases: Readonly<Record<string, Case>> = {
  ElastauthDown: {
    faulty: { up: '0x30' },
    harmless: [{ up: '0x30', 'up{instance="b:5000"}': '1x30' }, { up: '1x29 0' }],
    labels: {},
    description:
      'Prometheus cannot scrape any target of the job elastauth. Users cannot reach Elasticsearch and Kibana.',
  },
  ElastauthReplicaDown: {
    faulty: { up: '0x30', 'up{instance="b:5000"}': '1x30' },
    harmless: [{ up: '1x27 0x2' }],
    labels: replicaA,
    description: 'Prometheus cannot scrape a:5000.',
  },
  ElastauthRestarting: {
    faulty: { process_start_time_seconds: '0x5 300x5 600x5 900x15' },
    harmless: [{ process_start_time_seconds: '0x15 900x15' }],
    labels: replicaA,
    description: 'a:5000 has restarted 3 times in 30 minutes.',
  },
  ElastauthErrors: {
    faulty: {
      elastauth_requests_total: '0+60x30',
      'elastauth_errors_total{error_type="upstream_unavailable"}': '0+3x30',
      'elastauth_errors_total{error_type="elasticsearch_rejected"}': '0+2x30',
      'elastauth_errors_total{error_type="audit_unavailable"}': '0+1x30',
    },
    harmless: [
      {
        elastauth_requests_total: '0+600x30',
        'elastauth_errors_total{error_type="upstream_unavailable"}': '0+6x30',
      },
      { elastauth_requests_total: '0+2x30', 'elastauth_errors_total{error_type="internal"}': '0+1x30' },
      { elastauth_requests_total: '0+60x30', 'elastauth_errors_total{error_type="identity_missing"}': '0+60x30' },
    ],
    description: '10% of the requests fail because of elastauth or a service that it needs.',
  },
  ElastauthCannotReachElasticsearch: {
    faulty: {
      'elastauth_elasticsearch_requests_total{result="unavailable"}': '0+6x30',
      'elastauth_elasticsearch_requests_total{result="ok"}': '0+2x30',
    },
    harmless: [
      {
        'elastauth_elasticsearch_requests_total{result="unavailable"}': '0+6x30',
        'elastauth_elasticsearch_requests_total{result="ok"}': '0+60x30',
      },
      { 'elastauth_elasticsearch_requests_total{result="unavailable"}': '0x26 1x3' },
    ],
    description:
      '75% of the calls to Elasticsearch fail. New users and changed groups get 503; cached users are served.',
  },
  ElastauthServiceAccountRejected: {
    faulty: { 'elastauth_elasticsearch_requests_total{result="rejected"}': '0+6x30' },
    harmless: [{ 'elastauth_elasticsearch_requests_total{result="rejected"}': '0x10 6x19' }],
    description:
      'Elasticsearch rejected 60 calls of the service account in 10 minutes. New users and changed groups get 502.',
  },
  ElastauthRedisFailing: {
    faulty: {
      'elastauth_redis_requests_total{result="unreachable"}': '0+10x30',
      'elastauth_redis_requests_total{result="refused"}': '0+10x30',
      'elastauth_redis_requests_total{result="ok"}': '0+20x30',
    },
    harmless: [
      {
        'elastauth_redis_requests_total{result="unreachable"}': '0+1x30',
        'elastauth_redis_requests_total{result="ok"}': '0+20x30',
      },
      { 'elastauth_redis_requests_total{result="refused"}': '0x24 2x5' },
    ],
    description: '50% of the calls to Redis fail. Users whose session only Redis has get 503.',
  },
  ElastauthCannotReachProvider: {
    faulty: {
      'elastauth_provider_requests_total{result="unavailable"}': '0+6x30',
      'elastauth_provider_requests_total{result="ok"}': '0+2x30',
    },
    harmless: [
      {
        'elastauth_provider_requests_total{result="rejected"}': '0+6x30',
        'elastauth_provider_requests_total{result="ok"}': '0+2x30',
      },
      { 'elastauth_provider_requests_total{result="unavailable"}': '0x26 1x3' },
    ],
    description: '75% of the calls to the provider fail. New sign-ins fail; sessions end after session.grace.',
  },
  ElastauthSignInsFailing: {
    faulty: {
      'elastauth_sign_ins_total{result="failure"}': '0+3x30',
      'elastauth_sign_ins_total{result="success"}': '0+1x30',
    },
    harmless: [
      {
        'elastauth_sign_ins_total{result="failure"}': '0+1x30',
        'elastauth_sign_ins_total{result="success"}': '0+3x30',
      },
      { 'elastauth_sign_ins_total{result="failure"}': '0x20 1x9' },
      { 'elastauth_sign_ins_total{result="denied"}': '0+3x30' },
    ],
    description:
      '75% of the sign-ins fail, with the form or after the provider has sent the user back. The log lines of these requests have the reason: many with event.action password_rejected may be an attack.',
  },
  ElastauthCannotReachUpstream: {
    faulty: { 'elastauth_upstream_up{upstream="http://kibana:5601"}': '0x30' },
    harmless: [
      { 'elastauth_upstream_up{upstream="http://kibana:5601"}': '1x30' },
      { 'elastauth_upstream_up{upstream="http://kibana:5601"}': '1x29 0' },
    ],
    labels: { ...replicaA, upstream: 'http://kibana:5601' },
    description: 'a:5000 cannot reach http://kibana:5601. If its routes have no other upstream, users get 502.',
  },
  ElastauthManyDenials: {
    faulty: {
      'elastauth_authentication_total{result="success"}': '0+5x30',
      'elastauth_authentication_total{result="failure"}': '0+5x30',
      'elastauth_errors_total{error_type="no_roles"}': '0+5x30',
    },
    harmless: [
      {
        'elastauth_authentication_total{result="success"}': '0+50x30',
        'elastauth_errors_total{error_type="no_roles"}': '0+5x30',
      },
      {
        'elastauth_authentication_total{result="failure"}': '0+1x30',
        'elastauth_errors_total{error_type="group_denied"}': '0+1x30',
      },
    ],
    description: '50% of the authentications are denied because of the groups of the user.',
  },
  ElastauthUntrustedIdentity: {
    faulty: { 'elastauth_errors_total{error_type="peer_untrusted"}': '0+2x30' },
    harmless: [{ 'elastauth_errors_total{error_type="identity_invalid"}': '0x25 5x4' }],
    description: 'elastauth rejected 20 requests in 10 minutes because of their identity headers or their peer.',
  },
  ElastauthKeyConflict: {
    faulty: { elastauth_key_conflicts_total: '0x20 3x9' },
    harmless: [{ elastauth_key_conflicts_total: '0 3x29' }],
    description:
      'elastauth rejected 3 requests in 15 minutes because another installation with a different secret_key manages the user.',
  },
  ElastauthPasswordsChangedElsewhere: {
    faulty: { 'elastauth_user_writes_total{reason="healed"}': '0+1x30' },
    harmless: [
      { 'elastauth_user_writes_total{reason="healed"}': '0x20 1+1x8' },
      { 'elastauth_user_writes_total{reason="rotated"}': '0+10x30' },
    ],
    description: 'elastauth repaired 29 users in an hour.',
  },
  ElastauthBug: {
    faulty: { 'elastauth_errors_total{error_type="internal"}': '0x20 2x9' },
    harmless: [{ 'elastauth_errors_total{error_type="not_found"}': '0+9x30' }],
    description: '2 requests got an internal error in an hour.',
  },
  ElastauthSlow: {
    faulty: slowRequests('auth-only', 60),
    harmless: [slowRequests('proxy', 60), slowRequests('auth-only', 6)],
    description: '1% of the sub-requests take longer than 995ms.',
  },
  ElastauthEventLoopSaturated: {
    faulty: { nodejs_eventloop_lag_p99_seconds: '0.3x30' },
    harmless: [{ nodejs_eventloop_lag_p99_seconds: '0.02x28 1' }],
    labels: replicaA,
    description: 'The event loop of a:5000 is delayed by up to 300ms.',
  },
  ElastauthOutOfDescriptors: {
    faulty: { process_open_fds: '900x30', process_max_fds: '1000x30' },
    harmless: [{ process_open_fds: '900x30', process_max_fds: '65536x30' }],
    labels: replicaA,
    description: 'a:5000 uses 90% of its file descriptors. At the limit it accepts no more connections.',
  },
  ElastauthReloadFailed: {
    faulty: { elastauth_config_last_reload_successful: '1x20 0x9' },
    harmless: [{ elastauth_config_last_reload_successful: '1x20 0 1x8' }],
    labels: replicaA,
    description: 'a:5000 still runs with the previous configuration and certificates.',
  },
  ElastauthLogLinesLost: {
    faulty: { elastauth_log_lines_lost_total: '0x20 50x9' },
    harmless: [{ elastauth_log_lines_lost_total: '50x30' }],
    labels: replicaA,
    description: 'a:5000 lost 50 log lines in 15 minutes.',
  },
  ElastauthAuditEventsLost: {
    faulty: {
      'elastauth_audit_events_dropped_total{sink="file"}': '0x20 50x9',
      'elastauth_audit_events_dropped_total{sink="stdout"}': '0x30',
    },
    harmless: [
      { 'elastauth_audit_events_dropped_total{sink="file"}': '50x30' },
      { 'elastauth_audit_events_written_total{sink="file"}': '0+50x30' },
    ],
    labels: { ...replicaA, sink: 'file' },
    description: 'a:5000 lost 50 events of the audit log (sink file) in 15 minutes.',
  },
  ElastauthAuditSinkDown: {
    faulty: {
      'elastauth_audit_sink_up{sink="elasticsearch"}': '1x20 0x9',
      'elastauth_audit_sink_up{sink="file"}': '1x30',
    },
    harmless: [{ 'elastauth_audit_sink_up{sink="file"}': '1x28 0' }],
    labels: { ...replicaA, sink: 'elasticsearch' },
    description:
      'a:5000 cannot write the audit log to its sink elasticsearch. Events wait in memory, and are dropped when the buffer is full.',
  },
}

describe('the alerting rules in deploy/monitoring', { skip: skipWithoutPrometheus() }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-rules-'))
  after(() => rmSync(directory, { recursive: true }))

  test('promtool finds no fault in the rules, and each has a case here', () => {
    const { code, output } = runPromtool(['check', 'rules', '--lint=all', '--lint-fatal', rulesFile])
    assert.equal(code, 0, output)
    assert.deepEqual(
      Object.keys(cases),
      alertingRules.map(({ alert }) => alert),
    )
  })

  test('promtool accepts the configuration in deploy/monitoring/README.md, and the rules after its commands', () => {
    const readme = readFileSync(join(dirname(rulesFile), 'README.md'), 'utf8')
    const blockOf = (language: string) => new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(readme)![1]!
    writeFileSync(join(directory, 'prometheus.yml'), blockOf('yaml'))
    copyFileSync(rulesFile, join(directory, 'alerts.yml'))
    execFileSync('sh', ['-ec', blockOf('bash')], { cwd: directory })
    assert.doesNotMatch(readFileSync(join(directory, 'alerts.yml'), 'utf8'), /example\.com/)
    const { code, output } = runPromtool(['check', 'config', join(directory, 'prometheus.yml')])
    assert.equal(code, 0, output)
  })

  for (const [alert, { faulty, harmless, labels = { job: 'elastauth' }, description }] of Object.entries(cases)) {
    test(`${alert} fires on its fault with a readable description, and not on traffic that resembles the fault`, () => {
      const rule = alertingRules.find((rule) => rule.alert === alert)!
      const expected = {
        exp_labels: { severity: rule.labels.severity, ...labels },
        exp_annotations: { ...rule.annotations, description },
      }
      const file = join(directory, `${alert}.yml`)
      writeFileSync(
        file,
        JSON.stringify({
          rule_files: [rulesFile],
          evaluation_interval: '1m',
          tests: [toRuleTest(alert, faulty, [expected]), ...harmless.map((values) => toRuleTest(alert, values, []))],
        }),
      )
      const { code, output } = runPromtool(['test', 'rules', file])
      assert.equal(code, 0, output)
    })
  }
})

function toRuleTest(alertname: string, values: SeriesValues, exp_alerts: readonly object[]): object {
  return {
    interval: '1m',
    input_series: Object.entries(values).map(([name, values]) => ({ series: withReplica(name), values })),
    alert_rule_test: [{ alertname, eval_time: '29m', exp_alerts }],
  }
}

/** Adds the labels of a scrape, unless the series has them. */
function withReplica(series: string): string {
  const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(series)!
  const instance = labels.includes('instance=') ? [] : ['instance="a:5000"']
  return `${name}{${['job="elastauth"', ...instance, ...(labels === '' ? [] : [labels])].join(', ')}}`
}

/** Requests that take between 0.5 and 1 s. */
function slowRequests(mode: string, perMinute: number): SeriesValues {
  const bucket = (le: string) => `elastauth_request_duration_seconds_bucket{le="${le}"}`
  return {
    [`elastauth_build_info{mode="${mode}"}`]: '1x30',
    [bucket('0.5')]: '0x30',
    [bucket('1')]: `0+${perMinute}x30`,
    [bucket('+Inf')]: `0+${perMinute}x30`,
    elastauth_request_duration_seconds_count: `0+${perMinute}x30`,
  }
}
