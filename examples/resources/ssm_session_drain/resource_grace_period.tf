variable "grace_period" {
  type    = string
  default = "10m"
}

# Users have ten minutes to finish. If more than twenty sessions match, the
# selection is probably wrong, and no session is ended.
resource "ssm_session_drain" "maintenance" {
  targets      = ["i-0123456789abcdef0", "i-0fedcba9876543210"]
  grace_period = var.grace_period
  max_sessions = 20

  # A new value replaces the drain, so it runs again.
  triggers = {
    window = "2026-11-22"
  }

  timeouts {
    create = "15m"
  }
}
