/** The real model that the tests of the engine and its server run, fetched and imported if that has not been done. */
import { ensureModel } from '../../../functions/inference/models/ensure-model.ts'

export async function defaultModelFolder(): Promise<string> {
  const model = await ensureModel({})
  if (!model.ok) throw new Error(model.message)
  return model.folder
}

/** Requests as people send them: of different lengths, and with nothing in common. */
export const QUESTIONS = [
  'What is 7 + 5?',
  'Write a short story about a dog and a boat.',
  'Explain how bread is made.',
  'Give me advice for learning to draw.',
  'Describe a walk in the rain.',
  'What is a river?',
  'Tell me about the moon and the tides, please, in some detail.',
  'Name some fruits.',
  'How do bicycles stay upright?',
  'Why is the sky blue?',
  'Write a haiku about winter.',
  'What should I pack for a week in the mountains, if I travel by train and have little money?',
  'Is a tomato a fruit?',
  'List three uses for a brick.',
  'Translate "good morning" into French.',
  'Who was Marie Curie?',
] as const
