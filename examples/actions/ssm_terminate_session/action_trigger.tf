# Represents the change that takes access away, such as a new policy.
resource "terraform_data" "revocation" {
  input = "Mary-Major"

  lifecycle {
    action_trigger {
      events  = [after_create, after_update]
      actions = [action.ssm_terminate_session.example]
    }
  }
}

action "ssm_terminate_session" "example" {
  config {
    session_id = "Mary-Major-07a16060613c408b5"

    timeouts {
      invoke = "5m"
    }
  }
}
