/** What every DELETE that leaves nothing behind answers, as OpenAI's do. A session has no id that its holder knows. */
export function deletedObject(kind: string, id?: string): object {
  return { ...(id === undefined ? {} : { id }), object: `${kind}.deleted`, deleted: true }
}
