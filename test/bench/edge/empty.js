/** The floor of a start: a Worker that says nothing. */
export default { fetch: () => new Response() }
