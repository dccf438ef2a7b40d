// The least that a Worker in front of a model can do: forward the request, stream the answer back. The floor of bench:edge.
export default {
  fetch(request, env) {
    return fetch(env.UPSTREAM + new URL(request.url).pathname, request)
  },
}
