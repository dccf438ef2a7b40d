/** A deployment with what its preset says in the place of what it does not say itself. */
import { PRESETS } from '../contract/provider-presets.ts'
import type { AdapterKind, DeploymentConfig, WrittenDeployment } from '../contract/routing-config.ts'

/** Where neither names one: the most common. */
const ADAPTER: AdapterKind = 'openai'

export function withPreset(written: WrittenDeployment): DeploymentConfig {
  const preset = written.preset === undefined ? undefined : PRESETS[written.preset]
  if (!preset) return { ...written, adapter: written.adapter ?? ADAPTER }
  return {
    ...(hasPlaceholder(preset.url) ? {} : { url: preset.url }),
    path: preset.path,
    auth: preset.auth,
    quirks: [...preset.quirks],
    capabilities: [...preset.capabilities],
    ...written,
    // Sound: an adapter that this release has not is refused before it is stored, and makes no upstream.
    adapter: written.adapter ?? (preset.adapter as AdapterKind),
  }
}

/** An address that is another one for every account. */
export function hasPlaceholder(url: string): boolean {
  return url.includes('{')
}
