data "ssm_session_resume" "example" {
  session_id = "timmy-01cd54a0c8322733a"
}

output "stream_url" {
  value     = data.ssm_session_resume.example.stream_url
  sensitive = true
}

output "token_value" {
  value     = data.ssm_session_resume.example.token_value
  sensitive = true
}
