/** Sends a request as it is, right or not, and tells how it was answered. */
import { request } from 'node:http'
import type { RawRequest } from './mutate-request.ts'

export type RawAnswer =
  | { kind: 'answer'; status: number; text: string }
  /** By the request's own will. */
  | { kind: 'left' }
  /** The connection broke without an answer. */
  | { kind: 'broken'; reason: string }

export function sendRaw(url: string, { method, path, headers, body, leaves }: RawRequest): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const sent = request(`${url}`, {
      method,
      path,
      headers: { ...headers, 'content-length': String(body.length) },
      agent: false,
    })
    let leaving: NodeJS.Timeout | undefined
    const leave = () => {
      resolve({ kind: 'left' })
      sent.destroy()
    }
    sent.on('error', (error) => resolve({ kind: 'broken', reason: error.message }))
    sent.on('close', () => clearTimeout(leaving))
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', (error) => resolve({ kind: 'broken', reason: error.message }))
      response.on('end', () =>
        resolve({ kind: 'answer', status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      )
    })
    if (leaves !== null && 'afterBodyBytes' in leaves) {
      sent.write(body.subarray(0, leaves.afterBodyBytes), leave)
      return
    }
    if (leaves !== null) leaving = setTimeout(leave, leaves.afterMs)
    sent.end(body)
  })
}
