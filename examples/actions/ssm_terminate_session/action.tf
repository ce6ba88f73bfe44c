action "ssm_terminate_session" "example" {
  config {
    session_id = "Mary-Major-07a16060613c408b5"
  }
}
