/**
 * The document that scripts/build-openapi.ts wrote, unpacked when it is first asked for. As an object in the bundle it would be a third of it,
 * to be parsed at the start of every isolate, and most isolates never show it.
 */
import type { DocumentToShow } from './docs-page.ts'
import { PACKED_DOCUMENT } from './packed-document.ts'

let text: string | undefined

/** As JSON. Not the promise is kept: one request may not wait for what another began. */
export async function openApiText(): Promise<string> {
  text ??= await unpacked()
  return text
}

export async function openApiDocument(): Promise<DocumentToShow> {
  // Sound: it is written from our own tables, and a test compares.
  return JSON.parse(await openApiText()) as DocumentToShow
}

function unpacked(): Promise<string> {
  const bytes = Uint8Array.from(atob(PACKED_DOCUMENT), (character) => character.charCodeAt(0))
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'))
  return new Response(plain).text()
}
