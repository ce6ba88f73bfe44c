# Who is connected to this node?
data "ssm_sessions" "example" {
  targets = ["i-0123456789abcdef0"]
}

output "owners" {
  value = { for session in data.ssm_sessions.example.sessions : session.session_id => session.owner }
}
