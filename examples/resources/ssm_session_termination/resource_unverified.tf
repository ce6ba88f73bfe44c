# For credentials that may call ssm:TerminateSession and nothing else.
resource "ssm_session_termination" "example" {
  session_id = "Mary-Major-07a16060613c408b5"
  verify     = false
}
