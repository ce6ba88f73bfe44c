# Represents the change that takes access away, such as a new policy.
resource "terraform_data" "revocation" {
  input = "Mary-Major"

  lifecycle {
    action_trigger {
      events  = [after_create, after_update]
      actions = [action.ssm_drain_sessions.example]
    }
  }
}

action "ssm_drain_sessions" "example" {
  config {
    owners       = ["arn:*:sts::*:assumed-role/*/Mary-Major"]
    max_sessions = 20
  }
}
