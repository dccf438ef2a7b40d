/** What the model store is doing, for whoever shows it to people. */
export type ModelProgress = {
  /** 'waiting': another process is at it. */
  phase:
    | 'waiting'
    | 'downloading'
    | 'unpacking'
    | 'verifying'
    | 'importing'
    | 'reading'
    | 'exporting'
    | 'quantising'
    | 'scoring'
    | 'measuring'
  /** What is downloaded from or verified, or who is waited for. */
  detail: string
  done: number
  /** In the same unit as `done`; 0 where it is not known. */
  total: number
}

export type OnProgress = (progress: ModelProgress) => void
