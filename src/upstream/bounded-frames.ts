/**
 * AWS's client takes a frame's first four bytes for its length and makes memory for so many, up to 4 GiB: `data`, the beginning of any
 * other event stream, is 1.6 GB, which ends workerd. So lengths are looked at before it sees them.
 */

/** Of one frame. SageMaker's answers have 25 MB at most, and its parts are far smaller. */
export const FRAME_BYTES_MAX = 26_214_400
/** Two lengths and two checksums. */
const FRAME_BYTES_MIN = 16
const LENGTH_BYTES = 4

/** A successful answer whose body breaks off with a RangeError before a frame that no memory should be made for. Others are not changed. */
export function withBoundedFrames(response: Response): Response {
  if (response.status !== 200 || !response.body) return response
  return new Response(response.body.pipeThrough(new TransformStream(lengthCheck())), response)
}

function lengthCheck(): Transformer<Uint8Array, Uint8Array> {
  let toNextFrame = 0
  let length = 0
  let lengthBytes = 0
  return {
    transform(bytes, controller) {
      for (let at = 0; at < bytes.length; ) {
        if (toNextFrame > 0) {
          const step = Math.min(toNextFrame, bytes.length - at)
          toNextFrame -= step
          at += step
          continue
        }
        length = length * 256 + (bytes[at] ?? 0)
        lengthBytes += 1
        at += 1
        if (lengthBytes < LENGTH_BYTES) continue
        if (length < FRAME_BYTES_MIN || length > FRAME_BYTES_MAX) throw new RangeError(`A frame of ${length} bytes.`)
        toNextFrame = length - LENGTH_BYTES
        length = 0
        lengthBytes = 0
      }
      controller.enqueue(bytes)
    },
  }
}
