/**
 * What is made when it is first asked for. For what an isolate may never need, or not for its first answer: a schema costs as much to make
 * as thousands of bodies to parse. Synchronous, and once made it costs a call. What is heavy to load is behind `import()` instead.
 */
export function lazy<Value extends object>(make: () => Value): () => Value {
  let made: Value | undefined
  return () => {
    made ??= make()
    return made
  }
}
