/** What is wrong with the address of a deployment. */
import { isPublicHost } from './public-host.ts'

export type UrlRules = {
  /** PERIGEE_ALLOW_INTERNAL_URLS. */
  allowInternal: boolean
  /** Addresses that the settings name themselves: those were decided by who deploys. */
  own: readonly string[]
}

/** A sentence's end that begins with "must", or undefined. Never quotes the address: it may hold a password. */
export function baseUrlProblem(text: string, rules: UrlRules): string | undefined {
  if (!URL.canParse(text)) return 'must be a URL'
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must begin with https://'
  if (url.username !== '' || url.password !== '') {
    return 'must hold neither a user nor a password: put it into a secret of the Worker and name that in `secret`'
  }
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(text)) return 'must have neither a query nor a fragment'
  if (/\/v1\/*$/.test(url.pathname)) return 'must be the base without /v1, which is added'
  if (rules.own.some((own) => isSameBase(own, text))) return undefined
  if (isPublicHost(url)) return url.protocol === 'https:' ? undefined : 'must begin with https://'
  if (rules.allowInternal) return undefined
  return 'must not lead to an internal address: only who deploys the Worker may allow that, by PERIGEE_ALLOW_INTERNAL_URLS=on'
}

export function isSameBase(one: string, other: string): boolean {
  return URL.canParse(one) && URL.canParse(other) && baseOf(one) === baseOf(other)
}

function baseOf(text: string): string {
  return new URL(text).href.replace(/\/+$/, '')
}
