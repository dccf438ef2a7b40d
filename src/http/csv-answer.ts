/** Lists as CSV for who asks for it: `?format=csv`, or `Accept: text/csv`. */
import * as z from 'zod/mini'
import { csvText } from './csv-text.ts'
import type { AppContext } from './route.ts'

export const formatField = { format: z.optional(z.enum(['json', 'csv'])) }

export function wantsCsv(context: AppContext, format: 'json' | 'csv' | undefined): boolean {
  if (format !== undefined) return format === 'csv'
  // Browsers and clients that take anything get JSON.
  return /(^|,)\s*text\/csv\s*(;|,|$)/i.test(context.req.header('accept') ?? '')
}

/** `next`: a CSV has no place for where the list goes on, so the header `Link` says it (RFC 8288). */
export function csvAnswer(
  context: AppContext,
  rows: readonly Readonly<Record<string, unknown>>[],
  columns: readonly string[],
  next?: string,
): Response {
  const headers: Record<string, string> = { 'content-type': 'text/csv; charset=utf-8', vary: 'accept' }
  if (next !== undefined) {
    const url = new URL(context.req.url)
    url.searchParams.set('after', next)
    headers.link = `<${url.pathname}${url.search}>; rel="next"`
  }
  return context.body(csvText(columns, rows), 200, headers)
}
