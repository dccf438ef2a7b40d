/** Every route, in one table. */
import type { Route } from './route.ts'
import { deleteBudget, listBudgets, putBudget, retrieveBudget } from './routes/admin-budgets.ts'
import {
  getConfig,
  getConfigVersion,
  listConfigVersions,
  planConfig,
  putConfig,
  rollBackConfig,
} from './routes/admin-config.ts'
import { deleteFilter, getFilter, listFilters, putFilter } from './routes/admin-filters.ts'
import { adminHealth } from './routes/admin-health.ts'
import {
  changeIdentityProvider,
  createIdentityProvider,
  deleteIdentityProvider,
  listIdentityProviders,
  retrieveIdentityProvider,
} from './routes/admin-identity-providers.ts'
import { createKey, getKey, listKeys, patchKey, revokeKey, rotateKey } from './routes/admin-keys.ts'
import { deleteModelAlias, getModelAlias, listModelAliases, putModelAlias } from './routes/admin-models.ts'
import { listPrices, listPriceVersions, putPrice } from './routes/admin-prices.ts'
import { listRequests, retrieveRequest } from './routes/admin-requests.ts'
import { deleteDeployment, getDeployment, listDeployments, putDeployment } from './routes/admin-routes.ts'
import { createTenant, deleteTenant, getTenant, listTenants, patchTenant } from './routes/admin-tenants.ts'
import { listUsage, sumUsage } from './routes/admin-usage.ts'
import { changeUser, createUser, deleteUser, listUsers, retrieveUser } from './routes/admin-users.ts'
import { authPassword } from './routes/auth-password.ts'
import { authRegister } from './routes/auth-register.ts'
import { authLogout, authMe } from './routes/auth-session.ts'
import { authToken } from './routes/auth-token.ts'
import { chat } from './routes/chat.ts'
import { chatCompletions } from './routes/chat-completions.ts'
import { completions } from './routes/completions.ts'
import { docs } from './routes/docs.ts'
import { endpointHeartbeat } from './routes/endpoint-heartbeat.ts'
import { generate } from './routes/generate.ts'
import { health } from './routes/health.ts'
import { changeLimit, createLimit, deleteLimit, listLimits, retrieveLimit } from './routes/limits.ts'
import { countMessageTokens, messages } from './routes/messages.ts'
import { metrics } from './routes/metrics.ts'
import { listModels, retrieveModel } from './routes/models.ts'
import { moderations } from './routes/moderations.ts'
import { openapi } from './routes/openapi.ts'

import {
  createPromptVersion,
  diffPromptVersions,
  listPromptVersions,
  pointPromptLabel,
  removePromptLabel,
  retrievePromptVersion,
} from './routes/prompt-versions.ts'
import {
  changePrompt,
  createPrompt,
  deletePrompt,
  listPrompts,
  renderPrompt,
  retrievePrompt,
} from './routes/prompts.ts'

export const routes: readonly Route[] = [
  chatCompletions,
  completions,
  messages,
  countMessageTokens,
  listModels,
  retrieveModel,
  chat,
  generate,
  listPrompts,
  createPrompt,
  retrievePrompt,
  changePrompt,
  deletePrompt,
  renderPrompt,
  listPromptVersions,
  createPromptVersion,
  retrievePromptVersion,
  diffPromptVersions,
  pointPromptLabel,
  removePromptLabel,
  listBudgets,
  retrieveBudget,
  putBudget,
  deleteBudget,
  listPrices,
  listPriceVersions,
  putPrice,
  listUsage,
  sumUsage,
  listRequests,
  retrieveRequest,
  moderations,
  listFilters,
  getFilter,
  putFilter,
  deleteFilter,
  getConfig,
  putConfig,
  planConfig,
  listConfigVersions,
  getConfigVersion,
  rollBackConfig,
  listModelAliases,
  getModelAlias,
  putModelAlias,
  deleteModelAlias,
  listDeployments,
  getDeployment,
  putDeployment,
  deleteDeployment,
  createKey,
  listKeys,
  getKey,
  patchKey,
  rotateKey,
  revokeKey,
  createTenant,
  listTenants,
  getTenant,
  patchTenant,
  deleteTenant,
  authToken,
  authRegister,
  authMe,
  authLogout,
  authPassword,
  createUser,
  listUsers,
  retrieveUser,
  changeUser,
  deleteUser,
  createIdentityProvider,
  listIdentityProviders,
  retrieveIdentityProvider,
  changeIdentityProvider,
  deleteIdentityProvider,
  listLimits,
  createLimit,
  retrieveLimit,
  changeLimit,
  deleteLimit,
  adminHealth,
  endpointHeartbeat,
  metrics,
  health,
  openapi,
  docs,
]

/** All that needs no key. A route that says `access: 'open'` and is not here fails a test, so that none becomes open by a slip. */
export const OPEN_ROUTES: readonly string[] = [
  '/auth/token',
  '/auth/register',
  // Signed: the secret is the key.
  '/endpoints/heartbeat',
  '/health',
  '/openapi.json',
  '/docs',
]
