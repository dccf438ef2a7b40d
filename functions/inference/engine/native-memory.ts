/**
 * Arrays whose memory native code may hold on to. V8 keeps typed arrays of up to 64 bytes on its own heap and moves them;
 * a view on an ArrayBuffer never moves. Large buffers are zero pages until they are touched, so an idle slot costs nothing.
 */
export const int32s = (length: number) => new Int32Array(new ArrayBuffer(4 * length))
export const int64s = (length: number) => new BigInt64Array(new ArrayBuffer(8 * length))
export const floats = (length: number) => new Float32Array(new ArrayBuffer(4 * length))
