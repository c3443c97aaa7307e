"""What a call carries, on either side: context, addresses, deadline, trace."""
