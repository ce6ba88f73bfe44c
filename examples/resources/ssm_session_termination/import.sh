# In the Region of the provider.
terraform import ssm_session_termination.example John-Doe-0402960697c9ac1d2

# In another Region.
terraform import ssm_session_termination.example John-Doe-0402960697c9ac1d2@us-east-1
