output "violations" {
  description = "The rules that each session breaks, by session ID."
  value       = local.violations
}

output "evidence" {
  description = "A record of this run as JSON: who, where, since when, which rules, and what became of the session."
  value = jsonencode({
    enforced = var.enforce
    sessions = [
      for id, rules in local.violations : {
        session_id = id
        region     = data.ssm_sessions.covered.region
        owner      = try(local.sessions[id].owner, null)
        target     = try(local.sessions[id].target, null)
        started_at = try(local.sessions[id].start_date, null)
        rules      = rules
        outcome    = try(ssm_session_termination.violation[id].outcome, "reported")
        ended_at   = try(ssm_session_termination.violation[id].end_date, null)
      }
    ]
  })
}
