output "violations" {
  description = "The rules that each session breaks, by session ID."
  value       = local.violations
}

locals {
  # The results of the drains by session. If two drains asked for the same session, the
  # result of the one that ended it counts.
  drained = merge(flatten([
    for outcome in ["already_ended", "failed", "unverified", "terminated"] : [
      for rule, drain in ssm_session_drain.violations : {
        for id, became in drain.outcomes : id => { rule = rule, outcome = became, request_id = lookup(drain.request_ids, id, null) } if became == outcome
      }
    ]
  ])...)

  ended_singly = {
    for id, termination in ssm_session_termination.violation : id => { rule = "max_per_owner", outcome = termination.outcome, request_id = null }
  }

  # A session that is in no drain's result broke the rule at plan and not at apply. It
  # has probably ended, but no drain looked.
  results = merge(
    { for id, rules in local.violations : id => { rule = rules[0], outcome = var.enforce ? "not_matched" : "reported", request_id = null } },
    local.ended_singly,
    local.drained,
  )
}

output "evidence" {
  description = "A record of this run as JSON: owner, node, start, rules, outcome and request ID of each session. CloudTrail has the same request ID."
  value = jsonencode({
    enforced = var.enforce
    sessions = [
      for id, result in local.results : {
        session_id = id
        region     = data.ssm_sessions.covered.region
        owner      = try(local.sessions[id].owner, null)
        target     = try(local.sessions[id].target, null)
        started_at = try(local.sessions[id].start_date, null)
        rules      = lookup(local.violations, id, [result.rule])
        outcome    = result.outcome
        request_id = result.request_id
      }
    ]
  })
}
