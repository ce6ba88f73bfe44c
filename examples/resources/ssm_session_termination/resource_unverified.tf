# For credentials that may only call ssm:TerminateSession.
resource "ssm_session_termination" "example" {
  session_id = "Mary-Major-07a16060613c408b5"
  verify     = false
}
