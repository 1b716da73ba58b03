(** Chapter 06, any attack will do. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training lem_frozen thm_ogd.
Open Scope R_scope.

(** In a model that is affine in the weights the frozen losses are convex. *)
Lemma affine_convex (V : inner_space) (X : Type) loss (f : V -> X -> R) c phi n y x :
  (forall v x, f v x = c x + << phi x, v >>) -> convex_loss loss ->
  convex_function (frozen_loss loss f n y x).
Proof.
  intros Hf HC u v s Hs. unfold frozen_loss.
  rewrite <- !mean_scal, <- mean_plus. apply mean_le. intros i _.
  assert (H := HC (y i) (f u (x i)) (f v (x i)) s Hs). simpl in H.
  rewrite !Hf in *. expand.
  replace (c (x i) + (<< phi (x i), u >> + s * (<< phi (x i), v >> + -1 * << phi (x i), u >>)))
    with (c (x i) + << phi (x i), u >>
      + s * (c (x i) + << phi (x i), v >> - (c (x i) + << phi (x i), u >>))) by ring.
  exact H.
Qed.

Theorem cor_any_attack :
  forall (V : inner_space) (X : Type) (loss : R -> R -> R) (f : V -> X -> R)
    (c : X -> R) (phi : X -> V) (n : nat) (y : nat -> R) (B : nat -> X -> Prop)
    (L G Rad alpha : R) (x : nat -> nat -> X) (w g : nat -> V) (T : nat),
  (forall v x, f v x = c x + << phi x, v >>) ->  (* book: affine in $W$ *)
  convex_loss loss ->  (* book: $\ell$ convex *)
  (0 < T)%nat ->  (* ours: at least one round *)
  0 < Rad ->  (* ours: a ball that is no point *)
  0 < L * G ->  (* ours: or the step is infinite *)
  alpha = Rad / (L * G * sqrt (INR T)) ->  (* book: with the tuned step *)
  (forall t i, (i < n)%nat -> B i (x t i)) ->
  (* book: For every attack $\mathcal{A}$, randomised, stale or hostile *)
  (forall t, is_gradient (frozen_loss loss f n y (x t)) (w t) (g t)) ->
  (* book: gradient descent in $B(R)$ on the frozen losses *)
  (forall t, norm (g t) <= L * G) ->  (* book: \lVert\nabla\ell_t\rVert\le LG *)
  (forall t, is_projection (fun v => norm (v - w O) <= Rad) (w t - alpha * g t)%vec (w (S t))) ->
  (* book: projected gradient descent in $B(R)$ *)
  forall (v : V) (robust : R), norm (v - w O) <= Rad ->  (* book: W\in B(R) *)
  is_robust_loss loss f n y B v robust ->  (* book: \min_{W\in B(R)}L_*(W) *)
  (exists t, (t < T)%nat /\ frozen_loss loss f n y (x t) (w t) <=
    mean T (fun t => frozen_loss loss f n y (x t) (w t))) /\
  mean T (fun t => frozen_loss loss f n y (x t) (w t)) <=
    robust + Rad * L * G / sqrt (INR T).  (* book: \frac{RLG}{\sqrt T} *)
Proof.
  intros V X loss f c phi n y B L G Rad alpha x w g T Hf Hconv HT HR HLG Ealpha Hx Hg HG Hw
    v robust Hv Hrob.
  assert (N : 0 < INR T) by now apply lt_0_INR. assert (Q := sqrt_lt_R0 _ N).
  split.
  - (* a minimum is at most an average *)
    now apply (least_le_mean T (fun t => frozen_loss loss f n y (x t) (w t))).
  - set (C := fun v => norm (v - w O) <= Rad) in *.
    (* a ball is convex *)
    assert (HC : convex_set C).
    { intros p q s Hs Hp Hq. unfold C in *.
      assert (E : (p + s * (q - p) - w O)%vec = ((1 - s) * (p - w O) + s * (q - w O))%vec).
      { rewrite !vscal_vadd, !vscal_vscal.
        replace (1 - s) with (1 + -1 * s) by ring. rewrite !vscal_plus, !vscal_one.
        replace ((1 + -1 * s) * -1) with (-1 + s) by ring. rewrite vscal_plus.
        replace (s * -1) with (-1 * s) by ring. set (a := (-1 * s * p)%vec).
        set (b := (s * q)%vec). set (o := (-1 * w O)%vec).
        replace (-1 * s * w O)%vec with (-1 * (s * w O))%vec by apply vscal_vscal.
        set (k := (s * w O)%vec).
        rewrite <- !vadd_assoc. f_equal.
        assert (Z : (k + -1 * k)%vec = vzero) by apply vadd_opp.
        rewrite (vadd_comm _ b (-1 * k)%vec).
        rewrite (vadd_assoc _ k (-1 * k)%vec b), Z, (vadd_comm _ vzero b), vadd_zero.
        rewrite (vadd_comm _ o b), !vadd_assoc. f_equal. apply vadd_comm. }
      rewrite E. eapply Rle_trans; [apply norm_triangle|]. rewrite !norm_vscal, !Rabs_pos_eq by lra.
      nra. }
    assert (HLt : 0 < alpha) by (rewrite Ealpha; apply Rdiv_lt_0_compat; nra).
    assert (C0 : C (w O)).
    { unfold C. rewrite vadd_opp, norm_zero. lra. }
    destruct (thm_ogd V C (fun t => frozen_loss loss f n y (x t)) w g alpha v HC C0 Hv HLt
      ltac:(intros t; now apply affine_convex with c phi) Hg Hw T) as (_ & _ & H).
    destruct (H Rad L G Hv HG HT) as [H1 H2]. rewrite (H2 HR HLG Ealpha) in H1.
    rewrite mean_minus in H1.
    assert (mean T (fun t => frozen_loss loss f n y (x t) v) <= robust).
    { rewrite <- (mean_const T robust) by easy. apply mean_le. intros t _.
      apply (lem_frozen V X loss f n y B); [intros i Hi; now apply Hx|easy]. }
    lra.
Qed.
