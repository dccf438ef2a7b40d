/** A store that is loaded when it is first asked. A failure to load is a failure of that one ask. */
import type { LimitStore } from './stores.ts'

export function lateStore(load: () => Promise<LimitStore>): LimitStore {
  let loading: Promise<LimitStore> | undefined
  const loaded = () => {
    loading ??= load().catch((cause) => {
      loading = undefined
      throw cause
    })
    return loading
  }
  return {
    take: async (...ask) => (await loaded()).take(...ask),
    giveBack: async (...back) => (await loaded()).giveBack(...back),
    hold: async (...hold) => (await loaded()).hold(...hold),
  }
}
