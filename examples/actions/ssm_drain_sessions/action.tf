action "ssm_drain_sessions" "example" {
  config {
    targets        = ["i-0123456789abcdef0"]
    exclude_owners = ["arn:*:sts::*:assumed-role/BreakGlass/*"]
  }
}
