# Ends the sessions that are open on this node now, but nobody's who came in by
# the role for emergencies.
resource "ssm_session_drain" "example" {
  targets        = ["i-0123456789abcdef0"]
  exclude_owners = ["arn:*:sts::*:assumed-role/BreakGlass/*"]
}

output "outcomes" {
  value = ssm_session_drain.example.outcomes
}
