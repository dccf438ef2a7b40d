/**
 * Opens a stream before its answer is prepared, when preparing takes long: a prompt that waits for others to be encoded must not look like
 * a dead server. Why not at once, docs/decisions/0006-headers-after-a-second.md.
 */
import type { ServerResponse } from 'node:http'
import { type EventStream, openEventStream } from './event-stream.ts'

/**
 * Longer than any prompt takes alone that a context of 30,000 tokens could hold, so that what is wrong with it is a status still; shorter
 * than the 3 s in which the edge expects headers.
 */
export const HEADERS_WITHIN_MS = 1_000

/** Resolves when preparing has ended in whatever way, with null; or with the open stream when it takes longer. Never rejects. */
export function openWhenSlow(
  response: ServerResponse,
  preparing: Promise<unknown>,
  withinMs = HEADERS_WITHIN_MS,
): Promise<EventStream | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(isOver(response) ? null : openEventStream(response)), withinMs)
    const prepared = () => {
      clearTimeout(timer)
      resolve(null)
    }
    preparing.then(prepared, prepared)
  })
}

/** Whether nothing can be sent any more: the caller has left, or was refused because his time is up. */
export const isOver = (response: ServerResponse): boolean => response.destroyed || response.writableEnded
