data "ssm_session" "example" {
  session_id = "Mary-Major-07a16060613c408b5"
}

output "session" {
  value = "${data.ssm_session.example.owner} on ${data.ssm_session.example.target}: ${data.ssm_session.example.status}"
}
