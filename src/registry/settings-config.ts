/** Version 0 of the routing document: what the settings say, one model and one deployment, our inference server. */
import type { RoutingConfig } from '../contract/routing-config.ts'

export function settingsConfig(settings: { inferenceUrl: string; model: string }): RoutingConfig {
  return {
    deployments: { inference: { adapter: 'inference', url: settings.inferenceUrl, model: settings.model } },
    models: { [settings.model]: { targets: [{ deployment: 'inference' }] } },
  }
}
