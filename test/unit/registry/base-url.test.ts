/** Where deployments may be: what the Worker must not be made to call. */
import { expect, test } from 'vitest'
import { baseUrlProblem } from '../../../src/registry/base-url.ts'

const STRICT = { allowInternal: false, own: ['http://127.0.0.1:8080'] }
const LOCAL = { allowInternal: true, own: [] }

test.each([
  'https://api.openai.com',
  'https://api.example.com/openai/deployments/gpt',
  'https://gpu.example.com:8443',
  'https://8.8.8.8',
  'https://172.15.0.1',
  'https://172.32.0.1',
  'https://100.63.255.255',
  'https://[2606:4700::1111]',
  'https://[2a01:4f8::1]',
  // Begins as an internal name does, and is none.
  'https://internal.example.com',
  'https://localhost.example.com',
  // What the settings name was decided by who deploys.
  'http://127.0.0.1:8080',
  'http://127.0.0.1:8080/',
])('%s may be called', (url) => {
  expect(baseUrlProblem(url, STRICT)).toBeUndefined()
})

test.each([
  'http://127.0.0.1:8081',
  'https://127.0.0.1',
  'https://127.1',
  'https://2130706433',
  'https://0x7f000001',
  'https://0x7f.0.0.1',
  'https://0177.0.0.1',
  'https://0',
  'https://10.1.2.3',
  'https://100.64.0.1',
  'https://172.16.0.1',
  'https://172.31.255.255',
  'https://192.168.1.1',
  'https://169.254.169.254',
  'https://2852039166',
  'https://198.18.0.1',
  'https://224.0.0.1',
  'https://255.255.255.255',
  'https://[::]',
  'https://[::1]',
  'https://[::ffff:127.0.0.1]',
  'https://[::ffff:a9fe:a9fe]',
  'https://[::127.0.0.1]',
  'https://[64:ff9b::7f00:1]',
  'https://[fe80::1]',
  'https://[fc00::1]',
  'https://[fd00:ec2::254]',
  'https://[ff02::1]',
  'https://[2002:7f00:1::]',
  'https://[2001::1]',
  'https://[2001:db8::1]',
  'https://localhost',
  'https://LOCALHOST.',
  'https://a.localhost',
  'https://metadata.google.internal',
  'https://metadata.google.internal.',
  'https://printer.local',
  'https://gpu',
  'https://127.0.0.1.nip.io',
  'https://localtest.me',
  // Full-width digits and dots become plain ones.
  'https://１２７.０.０.１',
  'https://127。0。0。1',
])('%s is internal, and is called only where the installation allows it', (url) => {
  expect(baseUrlProblem(url, STRICT)).toMatch(/^must not lead to an internal address/)
  expect(baseUrlProblem(url, LOCAL)).toBeUndefined()
})

test.each([
  ['http://api.example.com', /^must begin with https/],
  ['http://8.8.8.8', /^must begin with https/],
  ['ftp://127.0.0.1', /^must begin with https/],
  ['https://user:hunter2@api.example.com', /^must hold neither a user nor a password/],
  ['https://user@127.0.0.1:8080', /^must hold neither a user nor a password/],
  ['https://api.example.com?key=hunter2', /^must have neither a query/],
  ['https://api.example.com/#hunter2', /^must have neither a query/],
  ['https://api.example.com/?', /^must have neither a query/],
  ['https://api.example.com/v1', /without \/v1/],
  ['https://api.example.com/v1/', /without \/v1/],
  ['nonsense', /^must be a URL/],
])('%s is refused also where internal addresses are allowed, and is not repeated', (url, problem) => {
  for (const rules of [STRICT, LOCAL]) {
    expect(baseUrlProblem(url, rules)).toMatch(problem)
    expect(baseUrlProblem(url, rules)).not.toContain('hunter2')
  }
})
