/** No tenant has templates. */
import type { Prompts } from '../chat/ports.ts'
import { AppError } from '../errors.ts'

export const noPrompts: Prompts = {
  render() {
    throw new AppError('prompt_not_found', 'There is no such prompt template.', { param: 'prompt.id' })
  },
}
