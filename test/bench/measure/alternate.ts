/** The contenders take turns, and who goes first changes each time: whatever drifts hits all of them alike. */
export function alternations<T>(contenders: readonly T[], rounds: number): T[][] {
  return Array.from({ length: rounds }, (_, round) => {
    const first = round % contenders.length
    return [...contenders.slice(first), ...contenders.slice(0, first)]
  })
}
