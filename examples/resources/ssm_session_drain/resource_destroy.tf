# Represents aws_instance, so that the example runs without an AWS account.
resource "terraform_data" "node" {
  input = "i-0123456789abcdef0"
}

# The drain refers to the node, so Terraform destroys the drain first. The
# sessions end while the node can still close them properly.
resource "ssm_session_drain" "node" {
  targets = [terraform_data.node.output]
  when    = "destroy"
}
