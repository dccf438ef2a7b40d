// What JSON alone costs: reads a body, parses it and writes it again so often as is asked. The measure of bench:edge's large body.
export default {
  async fetch(request) {
    const text = await request.text()
    let chars = 0
    for (let left = Number(request.headers.get('x-times')); left > 0; left--) {
      chars += JSON.stringify(JSON.parse(text)).length
    }
    return Response.json(chars)
  },
}
