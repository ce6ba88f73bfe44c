# Fails if a plan may end a session of a protected owner. It needs no provider:
#
#   terraform show -json tfplan >tfplan.json
#   terraform -chdir=policy plan -var "plan=$PWD/tfplan.json"

terraform {
  required_version = ">= 1.5"
}

variable "plan" {
  description = "File with the plan as JSON."
  type        = string
}

variable "protected" {
  description = "Owners whose sessions must not be ended, as ARNs with an optional * at the end."
  type        = set(string)
  default     = ["arn:aws:sts::123456789012:assumed-role/BreakGlass/*"]
}

locals {
  plan     = jsondecode(file(var.plan))
  prefixes = [for owner in var.protected : trimsuffix(owner, "*")]
  changes  = [for change in try(local.plan.resource_changes, []) : change if change.change.actions != ["no-op"]]
  actions  = try(local.plan.action_invocations, [])

  # The plan of a termination has the owner, unless the session could not be looked up.
  terminations = [
    for change in local.changes : {
      address = change.address
      owner   = try(change.change.after.owner, null)
    }
    if change.type == "ssm_session_termination" && contains(change.change.actions, "create")
  ]

  # The plan of a drain has its conditions. A drain on create uses the planned values, a
  # drain on destroy uses the values in state.
  drains = concat(
    flatten([
      for change in local.changes : [
        for side in [
          contains(change.change.actions, "delete") && try(change.change.before.when, "create") != "create" ? change.change.before : null,
          change.change.after,
          ] : {
          address  = change.address
          excluded = coalesce(try(side.exclude_owners, null), [])
        }
        if side != null
      ]
      if change.type == "ssm_session_drain"
    ]),
    [
      for action in local.actions : {
        address  = action.address
        excluded = coalesce(try(action.config_values.exclude_owners, null), [])
      }
      if action.type == "ssm_drain_sessions"
    ],
  )

  denied = concat(
    [
      for termination in local.terminations : "${termination.address}: the owner of the session is unknown."
      if termination.owner == null
    ],
    [
      for termination in local.terminations : "${termination.address}: the session of ${termination.owner} is protected."
      if termination.owner != null && anytrue([for prefix in local.prefixes : startswith(coalesce(termination.owner, "-"), prefix)])
    ],
    distinct([
      for drain in local.drains : "${drain.address}: exclude_owners lacks ${join(", ", setsubtract(var.protected, drain.excluded))}."
      if length(setsubtract(var.protected, drain.excluded)) > 0
    ]),
    [
      for action in local.actions : "${action.address}: an action does not say whose session it ends."
      if action.type == "ssm_terminate_session"
    ],
  )
}

output "verdict" {
  value = "No protected session is ended."

  precondition {
    condition     = length(local.denied) == 0
    error_message = join("\n", concat(["The plan is refused."], local.denied))
  }
}
