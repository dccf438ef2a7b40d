/** What test/support/sagemaker/setup.ts provides to the suites: `inject('sagemaker')`. */
import 'vitest'

declare module 'vitest' {
  export interface ProvidedContext {
    sagemaker: { url: string }
  }
}
