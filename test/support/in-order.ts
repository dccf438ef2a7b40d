/** The order of the configuration: groups by priority, within a group the heavier first. No conditions, no chance. */
import type { Choose } from '../../src/chat/ports.ts'

export const inOrder: Choose = (route) =>
  [...route.targets].sort((a, b) => a.priority - b.priority || b.weight - a.weight).map(({ deployment }) => deployment)
