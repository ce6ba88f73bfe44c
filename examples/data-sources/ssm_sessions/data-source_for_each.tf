# One termination per session, so the plan shows the owner of each session.
data "ssm_sessions" "old" {
  older_than     = "8h"
  exclude_owners = ["arn:*:sts::*:assumed-role/BreakGlass/*"]
}

resource "ssm_session_termination" "old" {
  for_each = toset(data.ssm_sessions.old.session_ids)

  session_id = each.key
}
