# Who was on this node on that day? The history goes back 30 days.
data "ssm_sessions" "example" {
  state          = "History"
  targets        = ["i-0123456789abcdef0"]
  started_after  = "2026-11-20T00:00:00Z"
  started_before = "2026-11-21T00:00:00Z"
}

output "sessions" {
  value = [for session in data.ssm_sessions.example.sessions : {
    owner = session.owner
    from  = session.start_date
    to    = session.end_date
  }]
}
