# Ends all open sessions on this node, except those of the emergency role.
resource "ssm_session_drain" "example" {
  targets        = ["i-0123456789abcdef0"]
  exclude_owners = ["arn:*:sts::*:assumed-role/BreakGlass/*"]
}

output "outcomes" {
  value = ssm_session_drain.example.outcomes
}
