# Denies a plan that may end a session of a protected owner:
#
#   terraform show -json tfplan >tfplan.json
#   conftest test --policy policy tfplan.json
package main

import rego.v1

protected := {"arn:aws:sts::123456789012:assumed-role/BreakGlass/*"}

changes := [change | some change in input.resource_changes; change.change.actions != ["no-op"]]

# The plan of a termination has the owner, unless the session could not be looked up.
terminations := [change | some change in changes; change.type == "ssm_session_termination"; "create" in change.change.actions]

deny contains sprintf("%s: the owner of the session is unknown.", [termination.address]) if {
	some termination in terminations
	object.get(termination.change.after, "owner", null) == null
}

deny contains sprintf("%s: the session of %s is protected.", [termination.address, owner]) if {
	some termination in terminations
	owner := termination.change.after.owner
	some pattern in protected
	startswith(owner, trim_suffix(pattern, "*"))
}

# The plan of a drain has its conditions. A drain on create uses the planned values, a
# drain on destroy uses the values in state.
drains contains {"address": change.address, "config": change.change.after} if {
	some change in changes
	change.type == "ssm_session_drain"
	change.change.after != null
}

drains contains {"address": change.address, "config": change.change.before} if {
	some change in changes
	change.type == "ssm_session_drain"
	"delete" in change.change.actions
	change.change.before.when != "create"
}

drains contains {"address": action.address, "config": action.config_values} if {
	some action in input.action_invocations
	action.type == "ssm_drain_sessions"
}

deny contains sprintf("%s: exclude_owners lacks %s.", [drain.address, concat(", ", lacking)]) if {
	some drain in drains
	excluded := {owner | some owner in object.get(drain.config, "exclude_owners", [])}
	lacking := protected - excluded
	count(lacking) > 0
}

deny contains sprintf("%s: an action does not say whose session it ends.", [action.address]) if {
	some action in input.action_invocations
	action.type == "ssm_terminate_session"
}
