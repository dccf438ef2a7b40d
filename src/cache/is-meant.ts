/** Whether a model is one that an alias stands for, and not what answers while those are away. */
import type { Route } from '../chat/ports.ts'

export function isMeant(route: Route, model: string): boolean {
  const first = Math.min(...route.targets.map(({ priority }) => priority))
  return route.targets.some(({ priority, deployment }) => priority === first && deployment.model === model)
}
