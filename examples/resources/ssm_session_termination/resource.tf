resource "ssm_session_termination" "example" {
  session_id = "Mary-Major-07a16060613c408b5"
}

output "outcome" {
  value = ssm_session_termination.example.outcome
}
