/** The Conversations port over the Durable Object binding. Names objects; decides nothing about turns. */
import { AppError } from '../errors.ts'
import type { Conversations } from '../http/ports.ts'
import type { Conversation } from './conversation.ts'
import { newConversationId } from './conversation-id.ts'

/**
 * The tenant is part of the object's name, so another tenant's id leads to an object that holds nothing: not found, like any
 * unknown id. `turn` throws an AppError `internal_error` when the object broke down; the turn may have been stored.
 */
export function durableConversations(
  namespace: DurableObjectNamespace<Conversation>,
  newId: () => string = newConversationId,
): Conversations {
  return {
    async turn(call) {
      const { principal, request } = call
      const conversationId = request.conversation_id ?? newId()
      const isNew = request.conversation_id === undefined
      const object = namespace.getByName(`${principal.tenantId}/${conversationId}`)
      try {
        return await object.runTurn({ ...call, conversationId, isNew })
      } catch (cause) {
        throw new AppError('internal_error', 'The conversation broke off. Send the turn again.', { cause })
      }
    },
  }
}
