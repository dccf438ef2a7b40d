/** POST /v1/load_lora_adapter and /v1/unload_lora_adapter, as vLLM has them: adapters come and go while others are served. */
import * as z from 'zod/mini'
import { ADAPTER_NAME } from '../adapters/adapter-name.ts'
import type { LoadedAdapter } from '../engine/engine-messages.ts'
import { findAdapterFolder } from './find-adapter-folder.ts'
import { parse, readJson } from './parse-body.ts'
import { RequestError } from './request-error.ts'
import type { Handler } from './route.ts'
import { whenServing } from './serving.ts'

const PATH_CHARS_MAX = 4_096

const unloadSchema = z.strictObject({ lora_name: z.string().check(z.minLength(1), z.maxLength(100)) })
const loadSchema = z.strictObject({
  lora_name: z.string().check(z.regex(ADAPTER_NAME)),
  lora_path: z.string().check(z.minLength(1), z.maxLength(PATH_CHARS_MAX)),
})

export const loadAdapter: Handler = async ({ request, response, server }) => {
  const { engine, modelName, adaptersDir, log } = whenServing(server)
  const { lora_name: name, lora_path: path } = parse(loadSchema, await readJson(request))
  if (adaptersDir === null) {
    throw new RequestError('adapter_unusable', 'This server loads no adapters at run time: it has no --adapters-dir.')
  }
  if (name === modelName || engine.adapters.has(name)) {
    throw new RequestError('invalid_request', `lora_name: ${name} is loaded already`, 'lora_name')
  }
  const folder = await findAdapterFolder(adaptersDir, path)
  if (folder === null) {
    const message = `lora_path: there is no adapter at ${path} below the folder of adapters`
    throw new RequestError('adapter_unusable', message, 'lora_path')
  }
  const result = await engine.adapters.load({ name, folder })
  if (engine.state() !== 'ready') throw new RequestError('engine_unavailable', 'The inference engine is not running.')
  if (!result.ok) throw new RequestError('adapter_unusable', `${name} cannot be used: ${result.message}`, 'lora_path')
  warnOfOtherBase(result.adapter, modelName, log)
  sendText(response, `Success: LoRA adapter '${name}' added successfully.`)
}

export const unloadAdapter: Handler = async ({ request, response, server }) => {
  const { engine } = whenServing(server)
  const { lora_name: name } = parse(unloadSchema, await readJson(request))
  if (!engine.adapters.unload(name)) {
    throw new RequestError('model_not_found', `There is no adapter ${name}.`, 'lora_name')
  }
  sendText(response, `Success: LoRA adapter '${name}' removed successfully.`)
}

/** Shapes fit, but a finetune of other weights gives nonsense. Names differ for good reasons too, so this is all. */
export function warnOfOtherBase({ name, baseModel }: LoadedAdapter, modelName: string, log: (line: string) => void) {
  const trainedFor = baseModel?.split('/').at(-1)?.toLowerCase()
  if (trainedFor === undefined || trainedFor === modelName.toLowerCase()) return
  log(`The adapter ${name} was trained for ${baseModel}, and this server serves ${modelName}.`)
}

function sendText(response: Parameters<Handler>[0]['response'], text: string) {
  if (response.destroyed) return
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(text)
}
