/** Root of the summed squares of the differences over that of the wanted values; NaN where something is missing. */
export function relativeError(got: readonly Float32Array[], wanted: readonly ArrayLike<number>[]): number {
  let error = 0
  let size = 0
  wanted.forEach((row, i) => {
    for (let j = 0; j < row.length; j++) {
      error += ((got[i]?.[j] ?? Number.NaN) - (row[j] ?? 0)) ** 2
      size += (row[j] ?? 0) ** 2
    }
  })
  return Math.sqrt(error / size)
}
